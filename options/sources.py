"""The sources of an option's value, combined: defaults, presets, data file, saved run, --config, command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from options.base import Options
from options.config import checked_preset
from options.data import usual_dataroot
from options.data_file import FILE_NAME, read_data_file
from options.field import Option, OptionError, Preset, declared_options
from options.method import SPADE_ALONE, MethodFacts, refuse_unused, unused_options
from options.other_data import CUSTOM_ONLY, check_other_data, without_other_data
from options.saved import SAVED_NAME, is_saved_run, load_saved
from options.scale import usual_load_size
from options.shards import with_shards
from options.train import TrainOptions

Values = dict[str, Any]


def usual_values(
    opt: Options, presets: Mapping[str, Preset], methods: Mapping[str, MethodFacts] = SPADE_ALONE
) -> Values:
    """The values that `opt` would have if only its data set and its method had been typed."""
    given = vars(opt)
    chosen = {name: given[name] for name in ("dataset_mode", "method") if name in given}
    if chosen["dataset_mode"] == "custom":  # its preset depends on these
        chosen |= {name: given[name] for name in ("data", "label_dir", "instance_dir") if given.get(name)}
    options = declared_options(type(opt))
    values = in_force(type(opt), options, presets, chosen, methods=methods).values
    if values.get("dataroot", "") is None:
        values["dataroot"] = usual_dataroot(chosen["dataset_mode"])
    return values | {name: options[name].default for name in chosen if name not in ("dataset_mode", "method")}


@dataclass(frozen=True)
class InForce:
    """The values in force for a command line, not checked together, and where they are from.

    Attributes:
        values: of all options of the program, by name.
        saved: those that the saved run has, at `path`; empty if none is used.
    """

    values: Values
    method: str
    saved: Values
    path: Path
    warnings: list[str]


def in_force(
    program: type[Options],
    options: Mapping[str, Option],
    presets: Mapping[str, Preset],
    typed: Values,
    saved_run: Mapping[str, Any] | None = None,
    methods: Mapping[str, MethodFacts] = SPADE_ALONE,
) -> InForce:
    """Combine the sources in the order of `resolve`, whose arguments these are."""
    typed = with_data_set(typed, presets, program.is_train)
    path = _saved_path(options, typed)
    saved, warnings = _saved_layer(program, options, path, typed, saved_run)
    warnings = warnings + check_other_data(saved.get("data"), typed.get("data"), program.is_train)
    saved = without_other_data(saved, typed, is_trained=True)
    if (config := typed.get("config")) and is_saved_run(config):
        of_config, more = _config_layer(program, options, Path(config), typed, saved, path)
        saved, warnings = saved | without_other_data(of_config, typed, is_trained=bool(saved)), warnings + more
    mode, preset, of_file = _data_set_presets(program, options, presets, saved, typed, path)
    method = _method(options, saved, typed, methods)
    refuse_unused(typed, method, methods, lambda name: options[name].typed_as(typed[name]))
    unused = unused_options(method, methods)
    if "input_nc" in unused and (channels := (of_file | saved).get("input_nc")):
        raise OptionError(
            f"--method {method}: takes label maps alone, and these data are conditioning images (--input_nc "
            f"{channels}); use --method spade"
        )
    preset, of_file, saved = (
        {name: layer[name] for name in layer if name not in unused} for layer in (preset, of_file, saved)
    )
    of_method = dict(methods[method].preset)
    of_both = methods[method].data_presets.get(mode, {})
    if not program.is_train:
        of_both = {name: of_both[name] for name in of_both if name in options and options[name].role == "weights"}
    preset |= of_both
    defaults = {name: option.default for name, option in options.items()}
    usual = defaults | of_method | preset
    if program.is_train and not saved:
        typed = implied_random_input(usual | typed, typed) | typed
    layers = [of_method, preset, of_file, saved, typed]  # weakest first

    values = dict(defaults)
    # In the order of the declarations: `netG` decides `conditioning`, and both decide `norm_G`.
    for layer in ({name: layer[name] for name in options if name in layer} for layer in layers):
        ahead = values | layer | {"method": method}
        for name, value in layer.items():
            if value != values[name]:
                values |= {key: new for key, new in follow(program, name, ahead, usual).items() if key in options}
        values |= layer
    return InForce(values, method, saved, path, warnings)


def implied_random_input(values: Values, typed: Values) -> Values:
    """In a new run, a typed length of the latent asks for one: a random input, unless there is an encoder."""
    asks = "z_dim" in typed and values.get("netG") == "spade" and not values.get("use_vae")
    if values.get("method") == "oasis":
        return {}  # its latent is the noise
    return {"random_input": True} if asks else {}


def _method(options: Mapping[str, Option], saved: Values, typed: Values, methods: Mapping[str, MethodFacts]) -> str:
    """The method that the strongest source names."""
    if "method" not in options:
        return next(iter(methods))
    method = (saved | typed).get("method", options["method"].default)
    if method not in methods:
        raise OptionError(f"--method {method}: must be one of {', '.join(methods)}")
    return method


def _data_set_presets(
    program: type[Options],
    options: Mapping[str, Option],
    presets: Mapping[str, Preset],
    saved: Values,
    typed: Values,
    path: Path,
) -> tuple[str, Values, Values]:
    """The data set that the stronger layers name, its preset, and what its folders and data file say."""
    given = saved | typed
    mode = given.get("dataset_mode", options["dataset_mode"].default)
    if mode not in presets:
        raise OptionError(f"--dataset_mode {mode}: must be one of {', '.join(presets)}")
    preset = presets[mode].values(program.is_train)
    if mode == "custom":  # the only preset that depends on options
        return mode, preset, _of_folders(given, program.is_train)
    where = "" if program.is_train or saved else f", or name a saved run: there is none at {path}"
    _check_folders(typed, mode, where)
    return mode, preset, {}


def follow(program: type[Options], name: str, values: Values, usual: Values) -> Values:
    """Options that follow from the value of option `name` in `values`, as in the published code.

    Args:
        usual: defaults and preset, which give the ratio of `load_size` to `crop_size` in training.
    """
    match name, values[name]:
        case "netG", "spade":
            return {"conditioning": "spade", "norm_G": "spectralspadesyncbatch3x3"}
        case "netG", "pix2pixhd":
            return {"conditioning": "none", "norm_G": "instance"}
        case "conditioning", "spade":
            return {"norm_G": "spectralspadesyncbatch3x3"}
        case "conditioning", "none" if values["netG"] == "pix2pixhd":
            return {"norm_G": "instance"}
        case "conditioning", _:
            return {"norm_G": "spectralsyncbatch"}
        case "TTUR", _ if values.get("method") == "oasis":
            return {}  # betas of its own
        case "TTUR", True:
            return {"beta1": 0.0, "beta2": 0.9}
        case "TTUR", False:
            return {"beta1": 0.5, "beta2": 0.999}
        case ("crop_size", _) | ("preprocess_mode", "scale_width" | "scale_shortside"):
            return {"load_size": usual_load_size(values, usual, program.is_train)}
    return {}


def _check_folders(typed: Values, mode: str, or_else: str) -> None:
    """Refuse folders that the data set would ignore, as it would then read other data than the user means."""
    for name in sorted(CUSTOM_ONLY & typed.keys()):
        if typed[name]:
            raise OptionError(
                f"--{name} {typed[name]}: --dataset_mode {mode} does not read it; leave the flag out, or add "
                f"--dataset_mode custom{or_else}"
            )


def _saved_path(options: Mapping[str, Option], typed: Values) -> Path:
    folder, name = (typed.get(key, options[key].default) for key in ("checkpoints_dir", "name"))
    return Path(folder) / name / SAVED_NAME


def _saved_layer(
    program: type[Options],
    options: Mapping[str, Option],
    path: Path,
    typed: Values,
    content: Mapping[str, Any] | None,
) -> tuple[Values, list[str]]:
    """Checked values that this program takes from the saved run, and warnings about unknown options."""
    asked = typed.get("load_from_opt_file", False)
    resumes = typed.get("continue_train", False) or typed.get("auto_resume", False)
    if program.is_train and not asked and not resumes:
        return {}, []
    if content is None and not path.exists():
        if asked:
            raise OptionError(
                f"--load_from_opt_file: there is no saved run at {path}; leave the flag out, or name another run"
            )
        return {}, []  # test works on released weights alone; training reports a missing checkpoint later
    return _of_run(program, options, path, typed, load_saved(path) if content is None else content)


def _config_layer(
    program: type[Options], options: Mapping[str, Option], config: Path, typed: Values, saved: Values, path: Path
) -> tuple[Values, list[str]]:
    """Checked values that this program takes from the options of another run, and warnings.

    Args:
        saved: values of the saved run, whose architecture the other one must have; empty without any.
        path: file of the saved run.
    """
    if not config.is_file():
        raise OptionError(f"--config {config}: there is no such file")
    taken, warnings = _of_run(program, options, config, typed, load_saved(config))
    for name in sorted(taken.keys() & saved.keys() & options.keys()):
        if options[name].role == "weights" and taken[name] != saved[name]:
            raise OptionError(
                f"--config {config}: has {options[name].typed_as(taken[name])}, and the saved run "
                f"{options[name].typed_as(saved[name])} ({path}); leave --config out, or use another --name"
            )
    return taken, warnings


def _of_run(
    program: type[Options], options: Mapping[str, Option], path: Path, typed: Values, content: Mapping[str, Any]
) -> tuple[Values, list[str]]:
    """Checked values that this program takes from the options of a run in the file `path`, and warnings.

    The run's own copy of its data file, beside `path`, counts instead of the file it was trained with.
    """
    roles = {"weights", "data", "recipe"} if program.is_train else {"weights", "data"}
    mode = content.get("dataset_mode")
    if typed.get("dataset_mode", mode) != mode:
        roles -= {"data"}  # folder and preprocessing of another data set
    known = {**declared_options(TrainOptions), **options}
    taken = {name: value for name, value in content.items() if name in known and known[name].role in roles}
    for name, value in taken.items():
        try:
            known[name].check(value)
        except OptionError as error:
            raise OptionError(f"{path}: {name} {value!r}: {error}") from None
    copy = path.with_name(FILE_NAME)
    if mode == "custom" and "data" in roles and copy.exists():
        taken["data"] = str(copy)
    return taken, [f"{path}: unknown option {name} ignored" for name in sorted(content.keys() - known.keys())]


def with_data_set(typed: Values, presets: Mapping[str, Preset], is_train: bool = True) -> Values:
    """What was typed, with the --data that --shards stands for, and the --dataset_mode that --data stands for."""
    typed = with_shards(typed, is_train)
    if "data" not in typed:
        return typed
    data = typed["data"]
    if not data:
        raise OptionError("--data: is empty; name a file, or leave it out")
    mode = data if data in presets and not Path(data).is_file() else "custom"
    if typed.get("dataset_mode", mode) != mode:
        raise OptionError(
            f"--data {data}: is a data set of its own; leave out --dataset_mode {typed['dataset_mode']}, or --data"
        )
    return typed | {"dataset_mode": mode, "data": data if mode == "custom" else None}


def _of_folders(given: Values, is_train: bool) -> Values:
    """Defaults of the custom data set: those of its data file, and instance maps if there is a folder of them."""
    preset: Values = {}
    if given.get("data"):
        preset = checked_preset(read_data_file(given["data"])).values(is_train)
    if given.get("label_dir") or not given.get("data"):
        preset |= {"instance": bool(given.get("instance_dir"))}
    return preset
