"""Benchmarks: what a request pays for its session, as ratios within one run.

python -m benchmarks            all of them
python -m benchmarks hits rows  some of them
python -m benchmarks postgresql --scale 0.01  a fleet of a hundredth of the size
python -m benchmarks --write    also writes benchmarks/results.md
"""
