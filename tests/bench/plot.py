"""Plots as SVG, drawn with nothing but text: lines over a logarithmic or linear axis, for docs/benchmarks.md."""
import math

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 60
COLOURS = {"triad": "#b5451b", "reference": "#2b5c8a"}
OTHERS = ["#4a7a3a", "#7a4a8a"]


def lines(title, x_title, y_title, series, log_x=True, log_y=True):
    """An SVG with one line for each name in `series`, a dict of lists of (x, y)."""
    points = [point for line in series.values() for point in line]
    x_axis = Axis([x for x, _ in points], LEFT, WIDTH - RIGHT, log_x)
    y_axis = Axis([y for _, y in points] + ([] if log_y else [0]), HEIGHT - BOTTOM, TOP, log_y)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escaped(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 30}" text-anchor="middle">{escaped(x_title)}</text>',
        f'<text x="14" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 14 {(TOP + HEIGHT - BOTTOM) / 2})">{escaped(y_title)}</text>',
    ]
    for value in y_axis.ticks:
        y = y_axis.at(value)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>')
    for value in sorted({x for x, _ in points}):
        x = x_axis.at(value)
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{short(value)}</text>')
    others = iter(OTHERS * len(series))
    for at, (name, line) in enumerate(series.items()):
        colour = COLOURS.get(name.split(":")[0]) or next(others)
        path = " ".join(f"{x_axis.at(x):.1f},{y_axis.at(y):.1f}" for x, y in sorted(line))
        dashed = ' stroke-dasharray="6 4"' if ":" in name else ""
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>')
        out += [f'<circle cx="{x_axis.at(x):.1f}" cy="{y_axis.at(y):.1f}" r="3" fill="{colour}"/>' for x, y in line]
        x = LEFT + at * 150
        out.append(f'<rect x="{x}" y="{HEIGHT - 20}" width="10" height="10" fill="{colour}"/>')
        out.append(f'<text x="{x + 16}" y="{HEIGHT - 11}">{escaped(name)}</text>')
    return "\n".join(out + ["</svg>", ""])


class Axis:
    """From values to places on the paper."""

    def __init__(self, values, low, high, log):
        self.log, self.low, self.high = log, low, high
        values = [value for value in values if value > 0 or not log] or [1]
        if log:
            first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
            self.first, self.last = first, max(last, first + 1)
            self.ticks = [10.0 ** power for power in range(self.first, self.last + 1)]
        else:
            self.first, top = 0, max(values) * 1.05 or 1
            step = 10 ** math.floor(math.log10(top))
            step = next(size for size in (step / 5, step / 2, step, step * 2) if top / size <= 6)
            self.ticks = [at * step for at in range(int(top / step) + 1)]
            self.last = top

    def at(self, value):
        place = math.log10(max(value, 10.0 ** self.first)) if self.log else value
        return self.low + (place - self.first) / (self.last - self.first) * (self.high - self.low)


def short(value):
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")
