"""What the frontier's ablation left of the recipe.

Refitted projections cost half a point at 12x, in each of three seeds (benchmarks/log.md).
"""

from compressor.records.recipe import Recipe

RECIPE = Recipe(refit=False)
