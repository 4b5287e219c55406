"""An attacker on what is printed, written from the definitions of the numbers alone; no code of the project is used.

`declared` reads what anybody may read about the indicators, `released` a release as its readers have it, `knowledge`
writes every printed number as an equation over whole numbers of people nobody printed, `integers` says what follows,
`judge` compares that with the truth, which only the judge reads.
"""
