"""Let pytest say what differs where the model and the database are compared."""

import pytest

pytest.register_assert_rewrite("tests.model.deeds", "tests.model.machine", "tests.model.world")
