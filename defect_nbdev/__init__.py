__version__ = "0.5.0"

# fastai says this at its import with new versions of torch; its user can do nothing about it.
import warnings; warnings.filterwarnings('ignore', '`torch.jit.script` is deprecated', FutureWarning)
