"""For plugin authors: the conformance kit, interrupted runs, the doctor and the scaffold."""
