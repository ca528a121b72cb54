import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for network.py and network_figures.py, which the tests import
