"""Writing the stores into a YAML file: the two values change, and nothing else."""

from __future__ import annotations

import pytest

from vicinal.config.yaml_edit import edit_stores

NEW = {"milvus": "http://milvus:19530", "redis": "${REDIS_URL}"}
HEAD = "# what we search\nname:   things     # a name\nsource: {type: table,  path: items.csv}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "stores:\n  milvus: http://milvus:19530\n  redis: ${REDIS_URL}\n"),
        (
            'stores: {milvus: "${MILVUS_URI:-x.db}", redis: old, timeout: 9}   # from outside\n# the end\n',
            "stores: {milvus: \"http://milvus:19530\", redis: '${REDIS_URL}', timeout: 9} # from outside\n# the end\n",
        ),
        (
            "stores:\n  # where\n  milvus: x.db  # a file\n  token: ${MILVUS_TOKEN}\nindex: auto\n",
            "stores:\n  # where\n  milvus: http://milvus:19530 # a file\n  token: ${MILVUS_TOKEN}\n"
            "  redis: ${REDIS_URL}\nindex: auto\n",
        ),
    ],
)
def test_stores_are_edited_in_place(before, after):
    assert edit_stores(HEAD + before, NEW) == HEAD + after
    assert edit_stores(HEAD + after, NEW) == HEAD + after
