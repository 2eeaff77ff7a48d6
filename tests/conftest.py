# SPDX-License-Identifier: Apache-2.0
"""What all tests share: the report says which upstream tests a case answers."""


def pytest_runtest_makereport(item, call):
    """Writes what each case answers into the report, for `make conformance`."""
    if call.when == "setup":
        for marker in item.iter_markers("answers"):
            for upstream in marker.args:
                item.user_properties.append(("answers", upstream))
