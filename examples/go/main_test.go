package main

func Example() {
	main()
	// Output: pod-b: the highest total score
}
