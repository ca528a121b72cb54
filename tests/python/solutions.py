"""The solutions of the exercises of the course."""

import importlib


def solution_of(name):
    return getattr(importlib.import_module(f"ringattn.course.solutions.{name}"), name)
