namespace MsResampler.Server.Inputs;

/// <summary>The tensors of a request, whose memory is returned together.</summary>
internal sealed class TensorBuffers : IDisposable
{
    private readonly List<InputTensor> _tensors = [];

    /// <summary>The tensors in the order of their declaration.</summary>
    public IReadOnlyList<InputTensor> Tensors => _tensors;

    /// <summary>Adds a tensor.</summary>
    public void Add(InputTensor tensor) => _tensors.Add(tensor);

    /// <summary>Finds a tensor, or null.</summary>
    public InputTensor? Find(string name) => _tensors.Find(tensor => tensor.Name == name);

    /// <summary>Returns the memory. Calling it again has no effect.</summary>
    public void Dispose()
    {
        foreach (InputTensor tensor in _tensors)
            tensor.Dispose();
    }
}
