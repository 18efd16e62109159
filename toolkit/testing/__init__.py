"""What the tests of a plugin call: `conformance.check_plugin`, `killing.assert_resumes`."""
