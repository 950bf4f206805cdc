# SPDX-License-Identifier: GPL-2.0-only
"""The harness: what runs the models and measures them, one room per concern."""
