import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import made_up_analyses
import pytest

from paribus.cli.options import report_path
from paribus.errors import StoreError
from paribus.findings import Analysis
from paribus.report import html
from paribus.report.links import Linker
from paribus.study.confounds import Confound

SVG = "{http://www.w3.org/2000/svg}"


def parsed(page: str) -> ET.Element:
    """Strict about nesting, quotes and escapes, which a browser would forgive."""
    return ET.fromstring(page)


def words(node: ET.Element) -> str:
    return " ".join("".join(node.itertext()).split())


def test_the_page_is_well_formed_and_its_ids_are_unique(page: str) -> None:
    ids = [node.attrib["id"] for node in parsed(page).iter() if "id" in node.attrib]
    assert len(ids) == len(set(ids))


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    assert "<script" not in page
    for node in parsed(page).iter():
        assert not {"src", "onload", "onclick"} & set(node.attrib)
        assert node.attrib.get("href", "#").startswith("#")
        assert node.tag not in ("link", "iframe", "img")
    assert "@import" not in page
    assert "url(" not in page


def test_the_question_and_the_answer_come_first(page: str, study: Analysis) -> None:
    header = parsed(page).find("body/main/header")
    assert header is not None
    assert [words(child) for child in header][1:4] == [
        study.question,
        study.answer,
        study.notes[0],
    ]
    assert [child.tag for child in header][1] == "h1"


def test_remarks_without_tests_are_not_said_to_be_tests(study: Analysis) -> None:
    few = replace(study, remarks=("It is so.",), curves=study.curves[:0])
    page = html.render(few)
    assert "<p>Beside the contrasts, which carry the verdicts.</p>" in page
    assert "<li>It is so.</li>" in page
    tested = html.render(replace(few, evidence=replace(study.evidence, arms=8)))
    assert "which carry the verdicts, in tests of their own.</p>" in tested


def test_the_reason_is_a_section_of_its_own_after_the_answer(
    page: str, study: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html.charts, "to_svg", lambda chart: "<svg/>")
    root = parsed(html.render(replace(study, reason="Small & <fast>.")))
    main = root.find("body/main")
    assert main is not None
    assert [part.attrib.get("id") for part in main][:3] == [None, "why", "discussion"]
    assert words(main[1]) == "Why Small & <fast>."
    assert "#why" in [link.attrib.get("href") for link in root.iter("a")]
    assert "Why" not in page


def test_every_link_of_the_contents_leads_somewhere(page: str) -> None:
    root = parsed(page)
    ids = {node.attrib.get("id") for node in root.iter()}
    links = [node.attrib["href"][1:] for node in root.iter("a")]
    assert set(links) <= ids
    (contents,) = root.iter("nav")
    sections = [node.attrib["id"] for node in root.iter("section")]
    assert [node.attrib["href"][1:] for node in contents.iter("a")] == sections
    assert sections[:3] == ["discussion", "arms", "contrasts"]


def test_numbers_of_the_prose_link_to_a_row_that_has_them(page: str) -> None:
    root = parsed(page)
    rows = {n.attrib["id"]: words(n).replace("−", "-") for n in root.iter("tr") if "id" in n.attrib}
    links = [node for node in root.iter("a") if node.attrib.get("class") == "figure"]
    assert len(links) >= 10
    for link in links:
        number = words(link).lstrip("+−-×")
        assert number in rows[link.attrib["href"][1:]]


def test_a_number_that_is_a_level_is_no_link() -> None:
    study = made_up_analyses.two_arms()
    (one, *others) = study.arms
    named = replace(one, name="dropout 0.25", levels={"dropout": "0.25"}, mean=0.0025)
    link = Linker(replace(study, arms=(named, *others)))
    assert link("dropout 0.25 reaches 0.25 %.") == (
        'dropout 0.25 reaches <a class="figure" href="#arm-1">0.25</a> %.'
    )
    assert link("<b> `a < b`") == "&lt;b&gt; <code>a &lt; b</code>"


def test_arms_and_contrasts_are_tabled(page: str) -> None:
    arms, contrasts = list(parsed(page).iter("table"))[:2]
    rows = [[words(cell) for cell in row] for row in arms.iter("tr")]
    assert rows[0] == [
        "optimizer",
        "batch norm",
        "test accuracy (%)",
        "95 % interval of the mean",
        "n",
        "status",
    ]
    assert rows[1] == ["sgd", "no", "78.18 ± 0.12", "[78.09, 78.26]", "10", "complete"]
    assert len(rows) == 9
    rows = [[words(cell) for cell in row] for row in contrasts.iter("tr")]
    assert rows[1][:5] == [
        "batch norm yes against no",
        "sgd",
        "+14.42 [14.33, 14.52]",
        "better",
        "10",
    ]
    assert rows[3][2].startswith("−0.08")


def test_each_chart_has_a_caption_and_an_alternative_text(page: str) -> None:
    figures = list(parsed(page).iter("figure"))
    assert len(figures) == 6
    for figure in figures:
        (image,) = (node for node in figure.iter("div") if node.attrib.get("role") == "img")
        assert len(image.attrib["aria-label"]) > 60
        assert image[0].tag == f"{SVG}svg"
        assert words(figure.find("figcaption")).startswith("Figure")  # type: ignore[arg-type]


def test_the_four_verdicts_are_explained_and_others_where_they_occur(page: str) -> None:
    def explained(text: str) -> list[str]:
        (legend,) = (n for n in parsed(text).iter("dl") if n.attrib["class"] == "legend")
        return [words(term) for term in legend.iter("dt")]

    assert explained(page) == ["better", "worse", "equivalent", "inconclusive"]
    assert "pilot" in explained(html.render(made_up_analyses.pilot()))


def test_how_it_was_done_and_how_to_do_it_again_are_told(page: str, study: Analysis) -> None:
    root = parsed(page)
    text = words(root)
    for pairs in (study.controls, study.data, study.environment):
        for name, value in pairs.items():
            assert f"{name} {value}" in text
    assert [node.text for node in root.iter("pre")] == [study.command, study.spec]
    assert "397,510" in text


def test_what_may_confound_is_told_and_what_is_accepted_comes_last() -> None:
    found = (
        Confound("one-learning-rate", "One for all.", "It matters.", "Give each one.", True),
        Confound("unequal-steps", "10 and 20 steps.", "It counts.", "Make them equal."),
    )
    root = parsed(html.render(made_up_analyses.two_arms(confounds=found)))
    (section,) = (node for node in root.iter("section") if node.attrib["id"] == "confounds")
    assert [words(child) for child in section] == [
        "What may confound this",
        "unequal-steps",
        "10 and 20 steps. It counts. Make them equal.",
        "one-learning-rate, accepted by the study",
        "One for all. It matters.",
    ]
    assert "#confounds" in [node.attrib["href"] for node in root.iter("a")]


def test_hostile_names_stay_text() -> None:
    study = made_up_analyses.two_arms()
    bad = '"><script>alert(1)</script>\x1b\ud800&'
    arms = tuple(replace(arm, architecture=bad, reasons=(bad,), failed=1) for arm in study.arms)
    hostile = replace(
        study,
        name=bad,
        question=bad,
        answer=bad,
        notes=(bad,),
        arms=arms,
        contrasts=tuple(replace(c, varies=bad, condition=bad) for c in study.contrasts),
        confounds=(Confound("unequal-steps", bad, bad, bad),),
        controls={bad: bad},
        environment={bad: bad},
        data={bad: bad},
        command=bad,
        spec=bad,
        created=bad,
    )
    page = html.render(hostile)
    assert "<script" not in page
    page.encode("utf-8")
    shown = '"><script>alert(1)</script>��&'
    assert words(parsed(page).find("body/main/header/h1")) == shown  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "seen", "unseen"),
    [
        (
            "all_diverged",
            "diverged in 3 of 10 seeds: the loss was not finite in epoch 2",
            "Too few",
        ),
        ("no_margin", "no margin was declared, so equivalence cannot be shown", "p, TOST"),
        ("regression", "asked in Python: save the specification below", "This command"),
        ("single_arm", "Test accuracy of 1 arm", "Contrasts"),
    ],
)
def test_special_cases_are_told(kind: str, seen: str, unseen: str) -> None:
    text = words(parsed(html.render(getattr(made_up_analyses, kind)())))
    assert seen in text
    assert unseen not in text


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    study = made_up_analyses.single_arm()
    path = tmp_path / "reports" / "study.html"
    assert html.write(study, path) == path
    page = path.read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.endswith("</html>")
    assert study.answer in words(parsed(page))
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    occupied = tmp_path / "a file"
    occupied.write_text("not a folder")
    with pytest.raises(StoreError, match="cannot write the report") as caught:
        html.write(made_up_analyses.single_arm(), occupied / "study.html")
    assert str(occupied) in str(caught.value)


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    taken = tmp_path / "study.html"
    (taken / "in the way").mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot write the report"):
        html.write(made_up_analyses.single_arm(), taken)
    assert list(tmp_path.iterdir()) == [taken]


def test_a_page_is_current_until_what_it_tells_changes(study: Analysis, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert not html.is_current(study, page)
    html.write(study, page)
    assert html.is_current(study, page)
    assert not html.is_current(replace(study, answer="Another answer."), page)
    curves = study.curves.assign(value=study.curves["value"] + 1e-9)
    assert not html.is_current(replace(study, curves=curves), page)


def test_what_was_tuned_and_whether_the_verdict_survives_is_told() -> None:
    study = made_up_analyses.tuned()
    root = parsed(html.render(study))
    (section,) = (node for node in root.iter("section") if node.attrib["id"] == "tuning")
    values, verdicts = section.iter("table")
    rows = [[words(cell) for cell in row] for row in values.iter("tr")]
    assert rows[0] == ["arm", "setting", "chosen", "with half the budget", "untuned"]
    assert rows[1] == ["batch norm no", "learning rate", "0.05", "0.05", "0.001"]
    assert rows[2] == ["batch norm no", "activation", "tanh", "tanh", "relu"]
    (_, row) = ([words(cell) for cell in row] for row in verdicts.iter("tr"))
    assert row[1] == "better"
    assert row[-1] == "inconclusive"
    assert "the same 4 candidates for every arm, 3 seeds each" in words(section)
    assert (
        "The verdict holds with half the budget, and differs untuned: batch norm yes not decided "
        "there."
    ) in words(section)
    assert "Figure 6. All arms tried the same values" in words(section)
    assert len(list(section.iter("figure"))) == 2
    assert "#tuning" in [node.attrib["href"] for node in root.iter("a")]


def test_times_are_told_as_ratios() -> None:
    page = html.render(made_up_analyses.clock())
    text = words(parsed(page))
    assert "ratio, 95 % interval" in text
    assert "×0.313 [0.309, 0.317]" in text
    assert "a difference within 5 % (1/1.05 to 1.05) was declared too small to matter" in text
    figures = [figure.attrib["id"] for figure in parsed(page).iter("figure")]
    kinds = ("forest", "seeds", "interaction", "loss", "duration")
    assert figures == [f"figure-{kind}" for kind in kinds]


def test_a_report_never_takes_the_place_of_another_studys(tmp_path: Path) -> None:
    one, other = (
        replace(made_up_analyses.single_arm(), name="table", key=key) for key in ("ab12", "cd34")
    )
    store = tmp_path / "store.sqlite"
    first = html.write(one, report_path(one, store))
    assert first.name == "table.html"
    assert report_path(one, store) == first
    assert report_path(other, store).name == "table-cd34.html"
