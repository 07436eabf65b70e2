"""The table of domains, by the name that banks and saved models have of them.

A new domain is a file here that has its name, and a word in `metagan.parameters.example`.
"""

from importlib import import_module
from typing import get_args

from metagan.domains.base import Domain, Form, GanNetworks, Names
from metagan.errors import UserError
from metagan.parameters import Example, StoredExample
from metagan.parameters.example import DomainName

DOMAINS: dict[str, Domain] = {name: getattr(import_module(f"{__name__}.{name}"), name) for name in get_args(DomainName)}


def domain_of(example: Example) -> Domain:
    """Raises UserError for an unknown domain, and for a shape that the domain does not take."""
    if example.domain not in DOMAINS:
        raise UserError(f"domain: {example.domain!r} is not one of {', '.join(DOMAINS)}")
    domain = DOMAINS[example.domain]
    domain.check(example.shape)
    return domain


def stored_example(name: str, shape: tuple[int, ...], on_paper: bool = False) -> StoredExample:
    """What a bank says of its examples, of a domain and a shape."""
    domain = domain_of(Example(domain=name, shape=shape))
    return StoredExample(domain=name, shape=shape, dtype=domain.dtype, range=domain.range, on_paper=on_paper)


__all__ = ["DOMAINS", "Domain", "Form", "GanNetworks", "Names", "domain_of", "stored_example"]
