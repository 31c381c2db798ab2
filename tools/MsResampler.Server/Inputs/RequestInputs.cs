using MsResampler.Server.Hosting;
using MsResampler.Server.Limits;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Inputs;

/// <summary>The inputs of one request while it is read, for REST and gRPC alike: checks names, types, shapes and limits
/// when a tensor is declared, reserves its memory, and builds the request when all values are there.</summary>
/// <param name="shape">The sizes of the model.</param>
/// <param name="settings">The limits.</param>
/// <param name="memory">The memory of the request. The built request owns it; else whoever opened it.</param>
internal sealed class RequestInputs(ModelShape shape, ServerSettings settings, MemoryLease memory) : IDisposable
{
    /// <summary>Declares a tensor, whose values come next or, for several binary ones, in the order of
    /// declaration.</summary>
    /// <exception cref="ServerException">The model has no such input, it was declared before, or its type or shape is
    /// wrong.</exception>
    public InputTensor Declare(string name, string datatype, ReadOnlySpan<long> extents)
        => throw new NotImplementedException();

    /// <summary>Checks the tensors against each other and builds the request.</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="id">The identifier of the request, or null.</param>
    /// <param name="parameters">The parameters of the request.</param>
    /// <param name="outputs">The outputs; empty for the tokens alone.</param>
    /// <returns>The request, which owns the memory.</returns>
    /// <exception cref="ServerException">Tensors are missing or do not match, a feature is not finite, or an output or
    /// a parameter is wrong.</exception>
    public InferenceRequest Build(string client, string? id, Parameters parameters,
        IReadOnlyList<OutputRequest> outputs) => throw new NotImplementedException();

    /// <summary>Returns the memory of tensors if no request was built.</summary>
    public void Dispose()
    {
    }
}
