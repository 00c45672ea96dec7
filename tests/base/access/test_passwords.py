"""Password hashes."""

import pytest

from anura_base.access import passwords
from anura_edge.errors import ConfigError

PASSWORD = "frogs call after the rain"


def test_hash_is_argon2id_and_fits_only_its_password() -> None:
    stored = passwords.hash_password(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,")
    assert passwords.verify(stored, PASSWORD)
    assert not passwords.verify(stored, PASSWORD + "!")
    assert not passwords.verify("not a hash", PASSWORD)
    assert not passwords.verify(None, PASSWORD)


def test_composed_and_decomposed_letters_are_equal() -> None:
    stored = passwords.hash_password("perere\u0301ca-da-mata")
    assert passwords.verify(stored, "perer\u00e9ca-da-mata")


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 257])
def test_password_of_wrong_length_is_refused(password: str) -> None:
    with pytest.raises(ConfigError, match="12 to 256 characters"):
        passwords.hash_password(password)


def test_dummy_hash_takes_the_same_work_as_a_new_hash() -> None:
    assert not passwords._hasher.check_needs_rehash(passwords._DUMMY_HASH)
