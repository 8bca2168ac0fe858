"""The promises on real sockets: a scripted server that misbehaves, and every way to call it.

`server.py` plays the named faults of `plays.py` and `bad_answers.py`; `table.py` says what each must
come to; `test_matrix.py` runs every row; the other tests are named after the promise they prove.
"""

import pytest

pytest.register_assert_rewrite("faults.calling", "faults.matrix_runner")
