package main

func Example() {
	main()
	// Output: pod-c: highest total score; a = score, b = margin over the runner-up
}
