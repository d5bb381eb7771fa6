"""The report as one web page: figures, plots, and the worst, best and some other pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vidcolor.evaluate.figures import MEANING, as_html, build_table
from vidcolor.evaluate.photos import PhotoScore
from vidcolor.evaluate.plots import curve, histogram, scatter
from vidcolor.evaluate.results import Comparison, Result, Shot
from vidcolor.webpage import escape, figure, write_page

SHOWN = 12
"""Photos in each of the three galleries."""

_MEANINGS = {
    "gain": "PSNR over leaving the picture grey, in dB; below zero, grey would have been nearer.",
    "psnr": "Peak signal-to-noise ratio of R'G'B', shown with the true lightness, in dB.",
    "ssim": "Structural similarity of R'G'B', 1 at best; grey ssim is that of the grey picture.",
    "ab rmse": "Root mean square distance of the colours, in a*b* units.",
    "saturation distance": "How far the chroma of the pixels is from being distributed as in the "
    "truth (earth mover's distance), in a*b* units.",
    "colorfulness": "Hasler and Süsstrunk's; the ratio is to that of the truth.",
    "gain muted, gain chroma": "The gain where the truth is nearly grey, and by its mean chroma.",
    "points": "With so many random points of the true colour given, each 5 x 5 pixels.",
}

# Colours that the colour-blind can tell apart (Okabe and Ito), lighter on dark ground.
_STYLE = """
:root{--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b0538a;--c4:#8a7500}
@media(prefers-color-scheme:dark){:root{--c0:#56b4e9;--c1:#ff8c42;--c2:#2fc79a;--c3:#e08fbe;
--c4:#e6cf3a}}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.15rem .8rem .15rem 0;text-align:right;border-bottom:1px solid var(--faint)}
th:first-child{text-align:left;font-weight:400;white-space:nowrap}
th{max-width:12rem;overflow-wrap:anywhere;vertical-align:bottom}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1rem}
.row{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.5rem;
max-width:calc(17rem*var(--n))}
svg{width:100%;height:auto}
svg text{fill:var(--ink);font-size:12px}.grid,.zero{stroke:var(--faint)}.zero{stroke:var(--soft)}
circle{fill:var(--c);fill-opacity:.55}.line{fill:none;stroke:var(--c);stroke-width:2}
.area{fill:var(--c);fill-opacity:.2;stroke:var(--c)}
.keys{list-style:none;padding:0;overflow-wrap:anywhere}
.key i{display:inline-block;width:.8em;height:.8em;margin-right:.4em;background:var(--c)}
""" + "".join(f".s{n}{{--c:var(--c{n % 5})}}" for n in range(20))


def build_page(comparison: Comparison) -> str:
    """The page as text. ``comparison`` holds a score or a clip's steadiness, and for galleries
    its shots."""
    results = comparison.results
    first = results[0].scores
    clips = sum(item.frames is not None for item in first)
    counts = [(len(first) - clips, "photos"), (clips, "clips (the means over their frames)")]
    counts.append((len(results[0].steadiness), "clips looked at for steadiness"))
    measured = ", ".join(f"{what}: {count}" for count, what in counts if count)
    parts = [
        "<h1>Colour compared with the truth</h1>",
        f"<p>Turned grey, coloured again, compared. Number of {measured}.</p>",
        _models(results),
    ]
    if first:
        parts += [_table(results), _plots(results)]
    parts += _steadiness(results)
    if comparison.shots:
        parts += _galleries(comparison)
    return "".join(write_page("vidcolor eval", parts, _STYLE))


def _models(results: Sequence[Result]) -> str:
    items = (
        f'<li class="key"><i class="s{n}"></i><b>{escape(result.label)}</b>: '
        # Half of the digest tells checkpoints apart as well as all of it.
        + escape(", ".join(f"{key} {value[:32]}" for key, value in result.model.items()))
        + "</li>"
        for n, result in enumerate(results)
    )
    return f'<ul class="keys">{"".join(items)}</ul>'


def _table(results: Sequence[Result]) -> str:
    summaries = [result.summary for result in results]
    head = "".join(f'<th scope="col">{escape(result.label)}</th>' for result in results)
    rows = (
        f'<tr><th scope="row">{escape(key.replace("_", " "))}</th>'
        + "".join(
            f"<td>{summary[key]:.{0 if key in ('photos', 'clips') else 3}f}</td>"
            for summary in summaries
        )
        + "</tr>"
        for key in summaries[0]
    )
    meanings = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in _MEANINGS.items())
    return (
        f'<h2>Means</h2><div class="wide"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f"<details><summary>What the figures mean</summary><dl>{meanings}</dl></details>"
    )


def _plots(results: Sequence[Result]) -> str:
    gains = [(item.label, [score.gain for score in item.scores]) for item in results]
    against = [
        (item.label, [(score.true_chroma, score.gain, score.name) for score in item.scores])
        for item in results
    ]
    drawn = [
        scatter(against, "mean chroma of the truth", "gain, dB"),
        histogram(gains, "gain, dB"),
    ]
    places = list(results[0].scores[0].psnr_points)
    if places:
        helped = [
            (item.label, [item.summary[f"gain_points_{count}"] for count in places])
            for item in results
        ]
        drawn.append(curve(helped, places, "colour points given", "gain, dB"))
    return f'<h2>Gain</h2><div class="plots">{"".join(drawn)}</div>'


def _steadiness(results: Sequence[Result]) -> Iterable[str]:
    """A table for each model, if there were clips."""
    if not results[0].steadiness:
        return
    yield f"<h2>Steadiness of the clips</h2><p>{escape(MEANING)}</p>"
    for result in results:
        if len(results) > 1:
            yield f"<h3>{escape(result.label)}</h3>"
        yield f'<div class="wide">{as_html(build_table(result.steadiness))}</div>'


def _galleries(comparison: Comparison) -> Iterable[str]:
    """The worst, the best, and an evenly spaced sample in the order of the photos."""
    first = comparison.results[0]
    count = len(first.scores)
    ranked = sorted(range(count), key=lambda at: (first.scores[at].gain, at))
    half = min(SHOWN, count // 2)
    spaced = min(SHOWN, count)
    whose = f" by the gain of {escape(first.label)}" if len(comparison.results) > 1 else ""
    for title, chosen in (
        (f"Worst{whose}", ranked[:half]),
        (f"Best{whose}", ranked[::-1][:half]),
        ("An evenly spaced sample", [at * count // spaced for at in range(spaced)]),
    ):
        if chosen:
            rows = (
                _row(
                    comparison.shots[at],
                    [item.scores[at] for item in comparison.results],
                    [item.label for item in comparison.results],
                )
                for at in chosen
            )
            yield f"<h2>{title}</h2>{''.join(rows)}"


def _row(shot: Shot, scores: Sequence[PhotoScore], labels: Sequence[str]) -> str:
    """Grey, each model's, and the truth, side by side."""
    one = scores[0]
    title = one.name
    if one.frames is not None:
        number = shot.name.rpartition(":")[2]
        title += f" (means over {one.frames} frames; shown is frame {number}, its worst)"
    figures = [figure(shot.grey, f"{shot.name} in grey", f"grey: {one.grey_psnr:.2f} dB")]
    for picture, score, label in zip(shot.coloured, scores, labels, strict=True):
        ratio = score.colorfulness / score.true_colorfulness if score.true_colorfulness else 0.0
        caption = (
            f"{label}: {score.psnr:.2f} dB ({score.gain:+.2f}), SSIM {score.ssim:.3f}, "
            f"ab RMSE {score.ab_rmse:.1f}, colourfulness × {ratio:.2f}"
        )
        figures.append(figure(picture, f"{shot.name} coloured by {label}", caption))
    truth = f"truth: chroma {one.true_chroma:.1f}"
    figures.append(figure(shot.truth, f"{shot.name} in its true colours", truth))
    inner = "".join(figures)
    return f'<h3>{escape(title)}</h3><div class="row" style="--n:{len(figures)}">{inner}</div>'
