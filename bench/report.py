"""What is made of the measurements: medians, ratios, geometric means; as JSON, as Markdown, and as lines on the way.

A ratio is CPU time (user + system) over the native program's, lower is better; without a native engine, over the
first engine's. A geometric mean covers the cases the engine got right, and says so when some are missing.
"""
import json
import math
import os
import platform
import statistics

import suite

MEGA = 1 << 20


def machine():
    """What the figures depend on and a reader cannot know."""
    model = platform.machine()
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "system": system,
            "load": round(os.getloadavg()[0], 1)}


def summarize(measurements):
    """The row of one engine in one case. `measurements` are its good runs."""
    return {
        "status": "ok",
        "cpu_s": statistics.median(m.cpu for m in measurements),
        "cpu_s_runs": [round(m.cpu, 6) for m in measurements],
        "wall_s": statistics.median(m.wall for m in measurements),
        "rss_bytes": max(m.rss for m in measurements),
    }


def add_ratios(rows, engines):
    """Fills ratio, wall_ratio, rss_over_native and guest_mips of a case's rows ({engine name: row}) where they are known."""
    base = rows[engines[0].name]
    for engine in engines:
        row = rows[engine.name]
        if row["status"] != "ok":
            continue
        if base["status"] == "ok":
            row["ratio"] = row["cpu_s"] / base["cpu_s"]
            row["wall_ratio"] = row["wall_s"] / base["wall_s"]
            row["rss_over_base_bytes"] = row["rss_bytes"] - base["rss_bytes"]
        if row.get("guest_instructions"):
            row["guest_mips"] = row["guest_instructions"] / row["cpu_s"] / 1e6


def geometric_means(cases, engines):
    """{engine name: {"ratio", "cases", "of"}} of a group's cases."""
    means = {}
    for engine in engines[1:]:
        ratios = [rows[engine.name]["ratio"] for rows in cases.values() if "ratio" in rows[engine.name]]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            means[engine.name] = {"ratio": mean, "cases": len(ratios), "of": len(cases)}
    return means


def progress_line(name, rows, engines):
    """One case, for the terminal."""
    cells = [f"{engine.name} {_first(rows, engine, engines[0])}" for engine in engines]
    return f"{name:16} " + "   ".join(cells)


def mean_text(mean):
    missing = "" if mean["cases"] == mean["of"] else f" ({mean['cases']} of {mean['of']})"
    return f"{mean['ratio']:.2f}{missing}"


def _first(rows, engine, base):
    row = rows[engine.name]
    if row["status"] != "ok":
        return row["status"]
    if engine is base or "ratio" not in row:
        return f"{row['cpu_s'] * 1000:.1f} ms"
    return f"{row['ratio']:.1f}×"


def _table(cases, means, engines, wall):
    base, others = engines[0], engines[1:]
    counted = [e for e in others if any("guest_mips" in rows[e.name] for rows in cases.values())]
    rivals = [e for e in others if e.kind == "qemu"]
    kilns = [e for e in others if e.kind == "kiln"]
    head = ["", f"{base.name} ms", *(e.name for e in others)]
    head += [f"{k.name} / {q.name}" for k in kilns for q in rivals]
    if wall:
        head += [f"{base.name} wall ms", *(f"{e.name} wall" for e in others)]
    head += [f"{e.name} Minstr/s" for e in counted]
    head += [f"{base.name} MB", *(f"{e.name} +MB" for e in others)]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" + " ---: |" * (len(head) - 1)]
    for name, rows in cases.items():
        cells = [name]
        first = rows[base.name]
        cells.append(f"{first['cpu_s'] * 1000:.1f}" if first["status"] == "ok" else first["status"])
        cells += [_first(rows, e, base).rstrip("×") for e in others]
        for k in kilns:
            for q in rivals:
                both = rows[k.name]["status"] == rows[q.name]["status"] == "ok"
                cells.append(f"{rows[k.name]['cpu_s'] / rows[q.name]['cpu_s']:.2f}" if both else "")
        if wall:
            cells.append(f"{first['wall_s'] * 1000:.1f}" if first["status"] == "ok" else "")
            cells += [f"{rows[e.name]['wall_ratio']:.1f}" if "wall_ratio" in rows[e.name] else "" for e in others]
        cells += [f"{rows[e.name]['guest_mips']:.0f}" if "guest_mips" in rows[e.name] else "" for e in counted]
        cells.append(f"{first['rss_bytes'] / MEGA:.1f}" if first["status"] == "ok" else "")
        for e in others:
            more = rows[e.name].get("rss_over_base_bytes")
            cells.append("" if more is None else f"{more / MEGA:.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    tail = ["**geometric mean**", "", *(f"**{mean_text(means[e.name])}**" if e.name in means else "" for e in others)]
    lines.append("| " + " | ".join(tail + [""] * (len(head) - len(tail))) + " |")
    return lines


def markdown(result, engines):
    host, options = result["machine"], result["options"]
    lines = [
        "# Performance", "",
        "Generated by `bench/run.py`; do not edit. `bench/README.md` says how to run it and how to read it.", "",
        f"- Machine: {host['cpu']}, {host['cores']} cores, {host['system']}, Linux {host['kernel']}; "
        f"load average {host['load']} before the run",
        *(f"- {name}: {text}" for name, text in result["versions"].items()),
        f"- Medians of {options['repetitions']} interleaved runs, scale {options['scale']:g}, {result['date']}", "",
        f"Ratios are user + system CPU time over {engines[0].name}: lower is better. Minstr/s are millions of guest "
        "instructions per second; +MB is peak memory above the native process.", "",
    ]
    for group, content in result["groups"].items():
        of = suite.GROUPS[group]
        lines += [f"## {of.title}", "", of.what, ""]
        if "skipped" in content:
            lines += [f"Not measured: {content['skipped']}", ""]
        else:
            shown = [engine for engine in engines if engine.kind not in of.without]
            lines += [*_table(content["cases"], content["geometric_means"], shown, of.wall), ""]
    return "\n".join(lines)


def write_json(result, path):
    path.write_text(json.dumps(result, indent=1) + "\n")
