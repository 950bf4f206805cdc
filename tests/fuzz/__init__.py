# SPDX-License-Identifier: GPL-2.0-only
"""Damaged inputs of every kind through every command that reads them: `make fuzz N=3500 SEED=7`.

A case is a number. `cases` makes its files and command of it, `sandbox` runs that in a process of its own, `verdict`
says which promise it broke: one clear line and status 2, no traceback, bounded memory, nothing half-written.
"""
