"""sozialraum: small-area social monitoring for municipalities, from department files to gated releases."""
