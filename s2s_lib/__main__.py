"""`python -m s2s_lib` is `s2s`."""

import sys

from s2s_lib.cli import main

sys.exit(main())
