# SPDX-License-Identifier: GPL-2.0-only
"""Where does the redesign win? A notebook in plain text: each `# %%` starts a cell (Jupyter and editors open it)."""

# %% What is there to measure?
from vgic_bench import explain, sweep, transitions

transitions("flush")

# %% What does one of them do on each design?
explain("flush_p", designs="old,new", gic=3)

# %% Count it over a grid: 1 to 8 vCPUs, with and without interrupts waiting.
grid = sweep("old,new", 3, irqs=64, vcpus="1..8x2", pending="0,4", transitions="flush_p,inject_edge_spi", jobs=1)
grid

# %% The same as data: predicted instructions of the new design over those of the old one.
points = grid.table("transitions").pivot_table(
    index=["transition", "vcpus", "pending"], columns="design", values="instructions"
)
(points["new"] / points["old"]).unstack("vcpus").round(2)
