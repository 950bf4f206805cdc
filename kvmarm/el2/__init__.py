# SPDX-License-Identifier: GPL-2.0-only
"""The EL2 machine: what a world switch runs on.

`slots`          the machine's state, one named 64-bit cell per register or context-memory word
`program`        the instruction notation in which the two switches are written
`machine`        executes a program step by step, plainly, and reports which steps were executed
`executor`       the same programs, encoded for a compiled loop: millions of switches per second
`configuration`  what the machine, the VM and the moment of a switch look like
`scene`          sets a machine up for a configuration, and plays the guest
`switch`         a world switch: configure, enter, FP trap, exit
"""
