"""Names of models and data sets: aliases, and repositories of the Hugging Face Hub, to local folders. No torch."""

from compressor.hub.aliases import ALIASES_FILE, Alias, expand_alias, expand_model, load_aliases
from compressor.hub.datasets import LABEL_NAMES, data_folder
from compressor.hub.models import config_folder, model_folder

__all__ = [
    "ALIASES_FILE",
    "LABEL_NAMES",
    "Alias",
    "config_folder",
    "data_folder",
    "expand_alias",
    "expand_model",
    "load_aliases",
    "model_folder",
]
