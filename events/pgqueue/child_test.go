package pgqueue_test

const childDatabase = "PGQUEUE_TEST_CHILD_DATABASE"

func runChild() int { return 0 }
