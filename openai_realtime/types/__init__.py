"""What crosses the wire, by noun: request TypedDicts (`…Param`, `…Params`) and pydantic answers.

Answers keep fields and values that this version does not know. Names such as models and voices are
offered as literals to editors and type checkers, and are open strings all the same.
"""
