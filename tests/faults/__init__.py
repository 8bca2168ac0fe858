"""Tests of the promises on real sockets, with a scripted server that misbehaves.

`server.py` injects the faults of `connection_faults.py`, `tls_faults.py` and `bad_responses.py`;
`table.py` has the expectation for each; `test_matrix.py` runs every row. The other test files are named
after the promise that they prove. The ids in test names (R1, S6, …) are those of SECURITY.md.
"""

import pytest

pytest.register_assert_rewrite("faults.calling", "faults.matrix_runner")
