"""Copying all that is indexed of a solution to other stores, without encoding again, with a proof that it is the same.

``promotion`` leads through it, ``targets`` says where it may go, ``copier`` copies items, ``proof`` compares both.
"""
