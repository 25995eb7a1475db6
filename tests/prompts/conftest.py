"""How hypothesis runs here: no time limit for one example, as a busy machine is no defect."""

from hypothesis import settings

settings.register_profile("promptrl", deadline=None)
settings.load_profile("promptrl")
