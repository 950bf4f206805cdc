# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench record`: the recorder for a KVM/Arm host, as a shell script."""

from typing import Annotated

import typer

from bench.recordings.record_script import script
from kvmarm.errors import UsageError
from vgic_bench.groups import command, new_app

app = new_app()

EXAMPLES = ("vgic-bench record --print-script > record.sh", "vgic-bench record --print-script --lrs 16 -o my-host")


@command(app, "record", EXAMPLES)
def record(
    print_script: Annotated[
        bool, typer.Option("--print-script", help="Print the recorder, a POSIX shell script.")
    ] = False,
    output: Annotated[
        str, typer.Option("-o", "--output", help="What the recorder calls its files (its OUT variable).")
    ] = "recording",
    buffer_kb: Annotated[int, typer.Option("--buffer-kb", help="Ring buffer of each CPU, in KiB.")] = 65536,
    lrs: Annotated[int, typer.Option("--lrs", help="List registers that the probes read, 1 to 16.")] = 4,
    probes: Annotated[
        bool, typer.Option("--probes/--no-probes", help="Set the four probes where the kernel allows.")
    ] = True,
) -> None:
    """Print a script that records KVM's virtual interrupt controller on a host, for `vgic-bench replay`.

    Run the script as root on the host.
    """
    if not print_script:
        raise UsageError("record runs on the KVM host, as a script: expected --print-script")
    print(script(output, buffer_kb, lrs, probes), end="")
