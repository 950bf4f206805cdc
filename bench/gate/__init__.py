# SPDX-License-Identifier: GPL-2.0-only
"""Judgement: compare two results, budgets, revisions, history."""
