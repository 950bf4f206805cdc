# SPDX-License-Identifier: GPL-2.0-only
"""Does a design do what the GIC architecture says? An exhaustive search of what a small VM can do, with monitors.

See docs/verify.md for the method. `records`: what the search works on; `reference`, `judge`: the architecture;
`machine`, `step`, `drain`: the design under the monitors; `words`, `explore`, `search`: states and the search;
`configurations`: the small set; `replay`, `report`: a report as a trace.
"""
