#!/usr/bin/env python3
"""Draws docs/screens/running.svg: what a terminal shows while `hs` downloads three files from this machine, frame by frame.

Usage: scripts/picture.py HS ORIGIN [FILE]

A real run in tmux against the demonstration origin; nothing is drawn by hand. Needs tmux and Python's standard library. Ends
only what it started.
"""

import html
import os
import re
import subprocess
import sys
import tempfile
import time

COLUMNS, ROWS = 84, 9
EVERY = 0.3  # seconds between two frames
WIDTH, HEIGHT = 8.43, 19  # of a character, in the picture's units
COLOURS = {"32": "#7ee787", "2": "#6e7681", "33": "#e3b341"}
FILES = [
    ("GCF_000001405.40_GRCh38.p14_genomic.fna.gz", 46_000_000, 900_000),
    ("SRR28914632_1.fastq.gz", 30_000_000, 700_000),
    ("linux-6.6.tar.xz", 22_000_000, 600_000),
]


def main() -> None:
    hs, origin = (os.path.realpath(path) for path in sys.argv[1:3])
    out = sys.argv[3] if len(sys.argv) > 3 else "docs/screens/running.svg"
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [origin, "--ca-out", f"{folder}/ca.pem", "--latency", "40"], stdout=subprocess.PIPE, text=True
        )
        try:
            base = server.stdout.readline().split()[1]
            frames = record(hs, base, folder)
        finally:
            server.terminate()
    with open(out, "w", encoding="utf-8") as file:
        file.write(draw(frames))


def record(hs: str, base: str, folder: str) -> list[str]:
    """The screens of one run, as text with SGR sequences."""
    urls = [f"{base}{name}?size={size}&limit={limit}" for name, size, limit in FILES]
    with open(f"{folder}/urls.txt", "w", encoding="utf-8") as file:
        file.write("\n".join(urls) + "\n")
    # What is typed is shown as a person would type it; where the files really come from is no matter.
    shown = f"printf '%s\\n' '$ hs -i urls.txt -t 8'"
    run = f"{hs} -i {folder}/urls.txt -t 8 --cacert {folder}/ca.pem -o {folder}/download"
    tmux = ["tmux", "-L", f"hs-picture-{os.getpid()}", "-f", "/dev/null"]
    clean = ["env", "-i", f"HOME={folder}", "PATH=/usr/bin:/bin", "TERM=tmux-256color", "LANG=C.UTF-8"]
    command = clean + ["sh", "-c", f"{shown}; {run}; touch {folder}/over; sleep 60"]
    size = ["-x", str(COLUMNS), "-y", str(ROWS)]
    subprocess.run(tmux + ["new-session", "-d", *size, *command], check=True)
    frames: list[str] = []
    try:
        begun = time.monotonic()
        while time.monotonic() - begun < 120:
            over = os.path.exists(f"{folder}/over")
            time.sleep(EVERY)
            capture = tmux + ["capture-pane", "-ep"]
            screen = subprocess.run(capture, check=True, capture_output=True, text=True).stdout
            frames.append(screen.replace(folder + "/", ""))
            if over:
                break
    finally:
        subprocess.run(tmux + ["kill-server"], check=False)
    return frames


def draw(frames: list[str]) -> str:
    """All frames in one picture, each shown for its time; the last one stays for three seconds."""
    seconds = len(frames) * EVERY + 3
    width, height = COLUMNS * WIDTH + 24, ROWS * HEIGHT + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">',
        "<title>hs downloads three files; lines move while they arrive</title>",
        "<style>text{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#e6edf3;white-space:pre}"
        ".f{visibility:hidden}</style>",
        f'<rect width="{width:.0f}" height="{height}" rx="8" fill="#0d1117"/>',
    ]
    for number, frame in enumerate(frames):
        start = number * EVERY / seconds
        end = (number + 1) * EVERY / seconds if number + 1 < len(frames) else 1
        times, values = [0, start, end, 1], ["hidden", "visible", "hidden", "hidden"]
        if start == 0:
            times, values = times[1:], values[1:]
        if end == 1:
            times, values = times[:-1], values[:-1]
        # A viewer that does not animate shows a frame from the middle.
        still = ' style="visibility:visible"' if number == len(frames) // 2 else ""
        parts.append(f'<g class="f"{still}><animate attributeName="visibility" dur="{seconds:.1f}s" repeatCount="indefinite"'
                     f' calcMode="discrete" values="{";".join(values)}" keyTimes="{";".join(f"{t:.4f}" for t in times)}"/>')
        for row, line in enumerate(frame.splitlines()):
            if line.strip():
                parts.append(f'<text x="12" y="{26 + row * HEIGHT}">{spans(line)}</text>')
        parts.append("</g>")
    return "\n".join(parts) + "\n</svg>\n"


def spans(line: str) -> str:
    """One line; colours become spans that stand exactly where the terminal has them."""
    out, column, colour = [], 0, ""
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line.rstrip()):
        code = re.fullmatch(r"\x1b\[([0-9;]*)m", piece)
        if code:
            found = [COLOURS[part] for part in code[1].split(";") if part in COLOURS]
            colour = found[-1] if found else ""
        elif piece:
            fill = f' fill="{colour}"' if colour else ""
            length = len(piece) * WIDTH
            out.append(f'<tspan x="{12 + column * WIDTH:.1f}" textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs"{fill}>'
                       f"{html.escape(piece)}</tspan>")
            column += len(piece)
    return "".join(out)


main()
