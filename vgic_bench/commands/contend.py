# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench contend`: what a design costs when several CPUs use one VM at once."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.contention import model, results
from bench.contention.bodies import chosen_bodies
from bench.contention.measure import (
    QUICK_SECONDS,
    SECONDS,
    Options,
    as_json,
    check_designs_have,
    chosen_threads,
    measure,
)
from bench.results.folders import check_new_folder
from vgic_bench.choices import designs_of
from vgic_bench.groups import command, new_app
from vgic_bench.options import OUTPUT, Designs, Gic, Irqs, Json, Lrs, gic_of, numbers_of, words
from vgic_bench.progress import ProgressBars
from vgic_bench.show.contend import print_fitted, print_measured, print_modelled

app = new_app()

EXAMPLES = (
    "vgic-bench contend --quick",
    "vgic-bench contend --bodies own_spi,enable --guest-time 16",
    "vgic-bench contend --model --vcpus 1..512x2",
)
MODEL = "The model"


@command(app, "contend", EXAMPLES)
def contend(
    designs: Designs = None,
    bodies: Annotated[
        list[str] | None,
        typer.Option(
            "--bodies", metavar="A,B", help="What each thread does again and again. [default: all]", show_default=False
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", help="Threads, each a vCPU. [default: the cores, 2 at least]", show_default=False),
    ] = None,
    guest_time: Annotated[
        float, typer.Option("--guest-time", metavar="US", help="µs in the guest between two bodies.")
    ] = 0.0,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            help=f"Seconds per body and design. [default: {SECONDS:g}, with --quick {QUICK_SECONDS:g}]",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer windows: wider intervals.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random mix and of the model.")] = 1,
    gic: Gic = "3",
    irqs: Irqs = 256,
    lrs: Lrs = 4,
    modelled: Annotated[
        bool, typer.Option("--model", help="Simulate instead: up to 512 vCPUs.", rich_help_panel=MODEL)
    ] = False,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit", help="Measure, fit the transfer on own_spi alone, predict the others.", rich_help_panel=MODEL
        ),
    ] = False,
    vcpus: Annotated[
        str, typer.Option("--vcpus", metavar="LIST", help="vCPUs that are simulated.", rich_help_panel=MODEL)
    ] = "1..64x2",
    lock: Annotated[
        str,
        typer.Option("--lock", metavar="KIND", help=f"Kind of lock: {', '.join(model.LOCKS)}.", rich_help_panel=MODEL),
    ] = model.LOCKS[0],
    platform: Annotated[
        str,
        typer.Option(
            "--platform",
            metavar="NAME",
            help=f"Prices of a cache line's transfer: {', '.join(model.price_names())}.",
            rich_help_panel=MODEL,
        ),
    ] = model.HOST,
    transfer: Annotated[
        float | None,
        typer.Option(
            "--transfer",
            metavar="NS",
            help="ns of a transfer in place of it.",
            rich_help_panel=MODEL,
            show_default=False,
        ),
    ] = None,
    as_object: Json = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Results folder to write.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure a design under several CPUs: on real threads, or simulated up to 512 vCPUs.

    Exit status: 0 done, 1 a design is wrong under load, 2 usage, 5 a deadlock, or a measurement that failed.
    """
    names = designs_of(designs)
    chosen = chosen_bodies(words(bodies))
    check_designs_have(chosen if bodies else [], names)
    if output is not None:
        check_new_folder(output)
    task = None
    if modelled or fit:
        task = model.Task(
            designs=tuple(names),
            bodies=tuple(chosen),
            vcpus=numbers_of(vcpus, "--vcpus"),
            gic=gic_of(gic),
            irqs=irqs,
            lrs=lrs,
            guest_us=guest_time,
            lock=lock,
            platform=platform,
            transfer_ns=transfer,
            seed=seed,
        )
    if modelled and task is not None:
        with ProgressBars() as progress:
            swept = model.sweep(task, progress)
        if output is not None:
            results.of_model(swept).save(output)
        if as_object:
            print(json.dumps(model.as_json(swept), indent=1))
        else:
            print_modelled(swept)
        return
    options = Options(
        designs=tuple(names),
        bodies=tuple(chosen),
        threads=chosen_threads(threads),
        gic=gic_of(gic),
        irqs=irqs,
        lrs=lrs,
        guest_us=guest_time,
        seconds=seconds if seconds is not None else QUICK_SECONDS if quick else SECONDS,
        seed=seed,
    )
    with ProgressBars() as progress:
        measured = measure(options, progress)
        for note in measured.notes:
            progress.note(note)
        fitted = model.calibrate(measured, task, progress) if task is not None else None
    if output is not None:
        results.of_threads(measured, options).save(output)
    if as_object:
        fit_object = {} if fitted is None else {"fit": {"transfer_ns": fitted.transfer_ns, "rows": fitted.rows}}
        print(json.dumps(as_json(measured) | fit_object, indent=1))
    else:
        print_measured(measured, options)
        if fitted is not None:
            print_fitted(fitted)
