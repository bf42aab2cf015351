"""Modules that streamz and rapidz have and thalweg has not, by the names that they have there."""
