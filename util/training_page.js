// A training page: the slider over fixed samples, and the reload. Choices are kept in localStorage.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = id => document.getElementById(id);
  const place = `training page ${location.pathname}`;
  const choices = { smoothing: 0.6, log: false, span: "all", hidden: [], moment: null, open: {} };
  try {
    Object.assign(choices, JSON.parse(localStorage.getItem(place)));
  } catch {
    /* not allowed, or damaged */
  }
  const keep = () => {
    try {
      localStorage.setItem(place, JSON.stringify(choices));
    } catch {
      /* not allowed */
    }
  };
  document.body.classList.remove("no-script");

  let player = null; // timer of the next moment, while the samples are played
  let moved = 0; // when the slider was moved
  function startSamples() {
    const slider = byId("moment");
    const play = byId("play");
    const last = data.moments.length - 1;
    const images = [...document.querySelectorAll(".moment img")];
    const kept = data.moments.findIndex(moment => moment.seen === choices.moment);
    const show = async index => {
      const moment = data.moments[index];
      slider.value = index;
      byId("when").value = `${moment.when} (${index + 1} of ${last + 1})`;
      slider.setAttribute("aria-valuetext", moment.when);
      choices.moment = index === last ? null : moment.seen; // the newest one stays the newest
      keep();
      for (const image of images) {
        image.src = moment.src;
        image.parentElement.href = moment.src;
      }
      for (const near of [index + 1, index - 1]) if (data.moments[near]) new Image().src = data.moments[near].src;
      await Promise.all(images.map(image => image.decode().catch(() => null)));
    };
    const stop = () => {
      clearTimeout(player);
      player = null;
      play.textContent = "Play";
    };
    const step = async () => {
      if (Number(slider.value) >= last) {
        stop();
        return;
      }
      await show(Number(slider.value) + 1);
      if (player !== null) player = setTimeout(step, 350);
    };
    slider.addEventListener("input", () => {
      stop();
      moved = Date.now();
      show(Number(slider.value));
    });
    play.addEventListener("click", async () => {
      if (player !== null) {
        stop();
        return;
      }
      play.textContent = "Stop";
      player = setTimeout(step, 350);
      if (Number(slider.value) >= last) await show(0);
    });
    show(kept < 0 ? last : kept);
  }

  function startPage() {
    for (const details of document.querySelectorAll("details[id]")) {
      if (details.id in choices.open) details.open = choices.open[details.id];
      details.addEventListener("toggle", () => {
        choices.open[details.id] = details.open;
        keep();
      });
    }
    if (choices.scroll && performance.getEntriesByType("navigation")[0]?.type === "reload") scrollTo(0, choices.scroll);
    addEventListener("pagehide", () => {
      choices.scroll = scrollY;
      keep();
    });
    const written = byId("written").textContent;
    const showAge = () => {
      const age = Date.now() / 1000 - data.written;
      const minutes = Math.round(age / 60);
      const time = `${minutes} minute${minutes === 1 ? "" : "s"}`;
      if (minutes > 0) byId("written").textContent = `${written} (${minutes < 120 ? time : `${Math.round(age / 3600)} hours`} ago)`;
      if (!data.training || age < data.overdue) return;
      const resume = data.resume ? `: ${data.resume}` : ", resume it with --continue_train";
      byId("state").textContent = `no news for ${time}; if it has ended${resume}`;
    };
    showAge();
    setInterval(showAge, 10000);
    if (!data.training) return;
    const isRead = () =>
      document.querySelector("dialog[open]") || player !== null || sinceRead() < 5000 || Date.now() - moved < 5000;
    setInterval(() => document.hidden || isRead() || location.reload(), 1000 * data.refresh);
  }

  const sinceRead = data.charts.length ? startCurves(data, choices, keep) : () => Infinity;
  if (data.moments) startSamples();
  startPage();
})();
