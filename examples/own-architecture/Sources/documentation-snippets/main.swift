import DataParallel
import Kernels
import Model

// What the articles of the libraries' documentation quote, to be compiled and run: `documentation-snippets layer|network|ranks FOLDER`.
switch CommandLine.arguments.dropFirst().first {
case "layer":
    let (output, gradient) = try checkChannelScale()
    print("output \(output) gradient \(gradient)")
case "network":
    let graph = try smallNetwork(Node(input: NodeShape(channels: 1, height: 64, width: 64)))
    let network = Network(graph, purpose: .inference(batch: 1), device: Device())
    print(network.table)
case "ranks":
    World.run { world in
        let losses = try trainOnAllRanks(world, folder: CommandLine.arguments[2], steps: 5)
        if world.communicator.rank == 0 { for loss in losses { print(loss) } }
    }
default: print("documentation-snippets layer|network|ranks FOLDER")
}
