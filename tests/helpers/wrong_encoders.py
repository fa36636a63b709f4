"""One wrong encoder for each test of the contract, and which test it is that it fails."""

import wrong_declarations
import wrong_decoding
import wrong_queries
import wrong_vectors

WRONG = wrong_declarations.WRONG | wrong_decoding.WRONG | wrong_vectors.WRONG | wrong_queries.WRONG
"""The tests of the contract, each with the encoders on which that test fails and no other."""


ACROSS = {
    "test_making_one_imports_nothing_heavy",
    "test_signature_is_stable_across_processes",
    "test_vectors_are_stable_across_processes",
}
"""The tests that start a process, which takes a second: run on the encoders that they are about."""
