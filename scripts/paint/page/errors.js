// Errors that the page tells apart.

/** A newer call in the same lane came before this one was answered. */
export class Superseded extends Error {}

/** This engine cannot do what was asked of it, such as labels of a photo without a server. */
export class Unsupported extends Error {}
