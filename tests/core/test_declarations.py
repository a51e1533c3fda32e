"""What a plug-in declares, and the settings and the function that it has, are checked when its file is loaded."""

from pathlib import Path

import pytest

from cambench.bench.core import plugins
from cambench.bench.core.errors import PluginError, UsageError
from cambench.bench.core.plugins import ENGINE, METHOD, METRIC, REPORT, Kind, Plugin

METRIC_CODE = """BETTER, UNIT, RANGE, SHORT = "higher", "share", (0, 1), "odd"


def score(case, *, order: str = "morf"):
    return 0.5
"""
ODD = "type('Odd', (), {'__repr__': lambda self: 1 / 0})()"


def load(folder: Path, code: str, kind: Kind = METHOD, settings: str = "") -> Plugin:
    (folder / "odd.py").write_text(code, encoding="utf-8")
    return plugins.find(kind, f"{folder / 'odd.py'}{settings}")


def test_what_a_metric_declares_is_read(tmp_path: Path) -> None:
    code = METRIC_CODE + "VERSION, SLACK, FAMILY, CAVEAT, NEEDS = 3, 0, 'own', 'Little.', ['object']\n"
    metric = load(tmp_path, code, METRIC)
    assert (metric.version, metric.slack, metric.family, metric.caveat) == (3, 0, "own", "Little.")
    assert (metric.better, metric.unit, metric.bounds, metric.short) == ("higher", "share", (0, 1), "odd")
    assert (metric.needs, metric.requires, metric.foreign, metric.ties_of) == (("object",), (), True, "")
    assert metric.axes == () and load(tmp_path, METRIC_CODE + "AXES = ('a', 'b')\n", METRIC).axes == ("a", "b")
    ties = load(tmp_path, METRIC_CODE + "TIES_OF = 'own[cells=False]'\n", METRIC)
    assert ties.ties_of == "own[cells=False]"


def test_the_direction_follows_a_setting(tmp_path: Path) -> None:
    code = METRIC_CODE + "BETTER = {'order': {'morf': 'lower', 'lerf': 'higher'}}\n"
    assert load(tmp_path, code, METRIC).better == "lower"
    assert load(tmp_path, code, METRIC, "[order=lerf]").better == "higher"
    with pytest.raises(PluginError, match="BETTER gives no direction for the value 'x' of 'order'"):
        load(tmp_path, code, METRIC, "[order=x]")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("VERSION", "True", "VERSION is True: it is a whole number from 1 on"),
        ("VERSION", "0", "VERSION is 0: "),
        ("VERSION", "10**400", "VERSION is 1000"),
        ("VERSION", "10**5000", r"VERSION is \(int cannot be printed\): "),
        ("VERSION", ODD, r"VERSION is \(Odd cannot be printed\): it is a whole number"),
        ("BETTER", "'up'", "BETTER is 'up': it is 'higher' or 'lower', or one of them by the value of a setting"),
        ("BETTER", "{}", "BETTER is {}: "),
        ("BETTER", "{'order': {'morf': 'up'}}", "BETTER is {'order'"),
        ("BETTER", "{'nothing': {1: 'lower'}}", "BETTER gives no direction for the value None of 'nothing'"),
        ("BETTER", "{'order': {'lerf': 'lower'}}", "BETTER gives no direction for the value 'morf' of 'order'"),
        ("UNIT", "''", "UNIT is '': it is the unit in words"),
        ("UNIT", "'a\\x00'", "UNIT is 'a"),
        ("RANGE", "(0, 1, 2)", r"RANGE is \(0, 1, 2\): it is two numbers, the lowest value and the highest"),
        ("RANGE", "(1, 0)", r"RANGE is \(1, 0\): "),
        ("RANGE", "(0, float('nan'))", r"RANGE is \(0, nan\): "),
        ("RANGE", "(0, 10**400)", r"RANGE is \(0, 1000"),
        ("RANGE", "(False, True)", "RANGE is "),
        ("SHORT", "'far too long'", "SHORT is 'far too long': it is a text of at most seven characters"),
        ("SLACK", "-1", "SLACK is -1: it is a finite number from 0 on"),
        ("SLACK", "True", "SLACK is True: "),
        ("NEEDS", "('a map',)", r"NEEDS is \('a map',\): it is a tuple of some of object, other object, method"),
        (
            "TIES_OF",
            "'a['",
            r"TIES_OF is 'a\[': it is the name of a metric, with the settings that it must have in brackets",
        ),
        ("TIES_OF", "''", "TIES_OF is '': "),
        ("TIES_OF", "5", "TIES_OF is 5: "),
        ("REQUIRES", "5", "REQUIRES is 5: it is the name of a module, or a tuple of names"),
        ("REQUIRES", "('.x',)", "REQUIRES is "),
        ("EXTRA", "5", "EXTRA is 5: "),
        ("FAMILY", "None", "FAMILY is None: it is a text of one line"),
        ("CAVEAT", "'\\udc80'", "CAVEAT is '"),
    ],
)
def test_a_declaration_of_the_wrong_type_is_refused(tmp_path: Path, name: str, value: str, message: str) -> None:
    with pytest.raises(PluginError, match=f"^metric odd: {message}"):
        load(tmp_path, f"{METRIC_CODE}{name} = {value}\n", METRIC)


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        (METHOD, "def explain(net, images, targets): ...\nCONTROL = 1\n", "CONTROL is 1: it is True or False"),
        (REPORT, "def render(run): ...\npage = 5\n", "page is 5: it is a function"),
        (ENGINE, "def work(plan, writer): ...\nENVIRONMENT = {1: 2}\n", "ENVIRONMENT is {1: 2}: it is a dict of texts"),
    ],
)
def test_each_kind_is_checked(tmp_path: Path, kind: Kind, code: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        load(tmp_path, code, kind)


@pytest.mark.parametrize("missing", ["BETTER", "UNIT", "RANGE", "SHORT"])
def test_a_metric_declares_what_is_required(tmp_path: Path, missing: str) -> None:
    with pytest.raises(PluginError, match=f"metric odd does not declare {missing}"):
        load(tmp_path, f"{METRIC_CODE}del {missing}\n", METRIC)


@pytest.mark.parametrize(
    "default",
    ["{1, 2}", "print", "object()", "float('inf')", "float('nan')", "10**400", "'\\udc80'", "b'x'", "1j", "[{1}]", ODD],
)
def test_a_default_that_no_record_can_hold_is_refused(tmp_path: Path, default: str) -> None:
    code = f"def explain(net, images, targets, *, power={default}):\n    return 1\n"
    with pytest.raises(PluginError, match=r"^method 'odd', setting 'power' is .*: a setting is a finite number"):
        load(tmp_path, code)


def test_a_chosen_value_that_no_record_can_hold_is_refused(tmp_path: Path) -> None:
    code = "def explain(net, images, targets, *, power: float = 1.0, other=2):\n    return 1\n"
    for setting in ("[power=inf]", "[power=1e999]", "[other={1}]", "[other=4294967296]"):
        with pytest.raises(UsageError, match="a setting is a finite number"):
            load(tmp_path, code, METHOD, setting)


def test_a_tuple_is_stored_as_the_list_that_a_record_gives_back(tmp_path: Path) -> None:
    method = load(tmp_path, "def explain(net, images, targets, *, powers=(1, 2)):\n    return 1\n")
    assert method.settings == {"powers": (1, 2)} and method.stored_settings == {"powers": [1, 2]}


@pytest.mark.parametrize("annotation", ["Flaot", "1 / 0", "int[", "5"])
def test_an_annotation_that_is_no_type_is_named(tmp_path: Path, annotation: str) -> None:
    code = f"def explain(net, images, targets, *, power: {annotation!r} = 1):\n    return 1\n"
    with pytest.raises(PluginError, match="method 'odd': the types of its settings cannot be used: it raises "):
        load(tmp_path, code, METHOD, "[power=2]")


def test_a_setting_may_have_any_name(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    code = "def explain(net, images, targets, *, _own: int = 1, copy: int = 1, model_config: int = 1):\n    return 1\n"
    settings = load(tmp_path, code, METHOD, "[_own=2,copy=3,model_config=4]").settings
    assert settings == {"_own": 2, "copy": 3, "model_config": 4} and not recwarn


@pytest.mark.parametrize(
    "parameters", ["", "net", "net, images", "net, images, targets, other", "net, images, targets, *, seeds=1"]
)
def test_a_function_with_other_parameters_is_refused(tmp_path: Path, parameters: str) -> None:
    message = r"odd is not a method: its function cannot be called as explain\(net, images, targets\)"
    with pytest.raises(PluginError, match=message):
        load(tmp_path, f"def explain({parameters}):\n    return 1\n")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("async def explain(net, images, targets): ...", "its function is asynchronous"),
        ("def __getattr__(name):\n    raise ValueError(name)", r"it has no function explain\(\)"),
        ("explain = 5", r"it has no function explain\(\)"),
    ],
)
def test_odd_modules_are_refused(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        load(tmp_path, code)


def test_what_a_file_sets_of_its_own_module_is_put_back(tmp_path: Path) -> None:
    code = "__doc__ = __file__ = __fingerprint__ = 5\ndel __name__\ndef explain(net, images, targets):\n    raise ValueError\n"
    method = load(tmp_path, code)
    assert method.description == "" and len(method.fingerprint) == 64
    with pytest.raises(PluginError, match=r"odd\.py fails: line 4 raises ValueError$"):
        method(None, None, None)
