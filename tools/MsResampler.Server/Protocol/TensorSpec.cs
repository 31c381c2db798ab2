namespace MsResampler.Server.Protocol;

/// <summary>An input or output in the metadata of a model.</summary>
/// <param name="Name">The name of the tensor.</param>
/// <param name="Datatypes">The element types that are accepted or can be asked for; the first one is in the
/// metadata.</param>
/// <param name="Shape">The extents; −1 for one that varies.</param>
internal sealed record TensorSpec(string Name, IReadOnlyList<Datatype> Datatypes, IReadOnlyList<long> Shape);
