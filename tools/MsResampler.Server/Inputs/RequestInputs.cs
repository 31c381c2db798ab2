using MsResampler.Server.Hosting;
using MsResampler.Server.Limits;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Inputs;

/// <summary>The inputs of one request while it is read, for REST and gRPC alike: checks names, types, shapes and limits
/// when a tensor is declared, reserves its memory when its first value arrives, and builds the request when all values
/// are there.</summary>
/// <param name="shape">The sizes of the model.</param>
/// <param name="settings">The limits.</param>
/// <param name="memory">The memory of the request. The built request owns it; else whoever opened it.</param>
internal sealed class RequestInputs(ModelShape shape, ServerSettings settings, MemoryLease memory) : IDisposable
{
    private const string Timeout = "timeout";

    private static readonly TimeSpan s_longestTimeout = TimeSpan.FromDays(1);

    private readonly TensorDeclaration _declaration = new(TensorSpecs.InputsOf(shape), settings);
    private TensorBuffers? _buffers = new();

    /// <summary>Declares a tensor, whose values come next or, for several binary ones, in the order of
    /// declaration.</summary>
    /// <exception cref="ServerException">The model has no such input, it was declared before, or its type or shape is
    /// wrong.</exception>
    public InputTensor Declare(string name, string datatype, ReadOnlySpan<long> extents)
    {
        TensorBuffers buffers = Buffers;
        TensorSpec spec = _declaration.Find(name);
        if (buffers.Find(name) is not null)
            throw new ServerException(ErrorKind.InvalidRequest, $"input '{name}': appears twice");
        Datatype type = TensorDeclaration.CheckType(spec, datatype);
        int count = _declaration.CheckShape(spec, extents);
        InputTensor tensor = new(spec.Name, type, TensorDeclaration.TextOf(extents), count, memory);
        buffers.Add(tensor);
        return tensor;
    }

    /// <summary>Checks the tensors against each other and builds the request.</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="id">The identifier of the request, or null.</param>
    /// <param name="parameters">The parameters of the request.</param>
    /// <param name="outputs">The outputs; empty for the tokens alone.</param>
    /// <returns>The request, which owns the memory.</returns>
    /// <exception cref="ServerException">Tensors are missing or do not match, a feature is not finite, or an output or
    /// a parameter is wrong.</exception>
    public InferenceRequest Build(string client, string? id, Parameters parameters,
        IReadOnlyList<OutputRequest> outputs)
    {
        TensorBuffers buffers = Buffers;
        foreach (InputTensor tensor in buffers.Tensors)
            tensor.Complete();
        RequestedOutput[] requested = OutputResolution.Resolve(shape, parameters, outputs);
        TimeSpan? timeout = TimeoutOf(parameters);
        bool wantsGate = requested.Any(output => output.Name == TensorNames.Gate);
        int[]? frameCounts = buffers.Find(TensorNames.Groups)?.Integers;
        bool hasPictures = HasPictures();
        InputTensor? features = hasPictures ? null : Require(TensorNames.Features);
        PatchGrid[] grids = features is null ? []
            : FrameLayout.ReadGrids(Require(TensorNames.Grids).Integers, features.ElementCount / shape.FeatureWidth);
        InferenceRequest request = new()
        {
            Id = id,
            Client = client,
            Features = features?.Floats.Values ?? default,
            Grids = grids,
            FrameCounts = frameCounts,
            TemporalIds = TemporalIdsOf(frameCounts, grids.Length),
            Pictures = hasPictures ? ReadPictures() : [],
            WantsGate = wantsGate,
            Timeout = timeout,
            Outputs = requested,
            Memory = memory,
            Buffers = buffers,
        };
        if (features is { Floats.AreFinite: false })
            throw FrameLayout.NotFinite(request, shape.FeatureWidth);
        ReserveAnswer(request.GroupCount, wantsGate);
        _buffers = null;
        return request;
    }

    /// <summary>Returns the memory of tensors if no request was built.</summary>
    public void Dispose() => _buffers?.Dispose();

    private TensorBuffers Buffers
        => _buffers ?? throw new InvalidOperationException("expected inputs in use, found that the request was built");

    private static TimeSpan? TimeoutOf(Parameters parameters)
    {
        if (parameters.FindInteger(Timeout) is not { } microseconds || microseconds == 0)
            return null;
        if (microseconds < 0)
        {
            throw new ServerException(ErrorKind.InvalidRequest,
                $"parameter '{Timeout}': expected a number of microseconds of at least 0, found {microseconds}");
        }

        return microseconds < s_longestTimeout.TotalMicroseconds ? TimeSpan.FromMicroseconds(microseconds)
            : s_longestTimeout;
    }

    private int[]? TemporalIdsOf(int[]? frameCounts, int frameCount)
    {
        int[]? given = Buffers.Find(TensorNames.TemporalIds)?.Integers;
        if (frameCounts is null)
        {
            return given is null ? null : throw new ServerException(ErrorKind.InvalidRequest,
                $"input '{TensorNames.TemporalIds}': expected together with '{TensorNames.Groups}', found alone");
        }

        FrameLayout.CheckGroups(frameCounts, frameCount);
        if (given is null)
        {
            given = new int[frameCount];
            Array.Fill(given, -1);
        }

        FrameLayout.CheckTemporalIds(given, frameCount);
        return given;
    }

    private bool HasPictures()
    {
        if (Buffers.Find(TensorNames.Image) is null)
            return false;
        foreach (InputTensor other in Buffers.Tensors)
        {
            if (other.Name != TensorNames.Image)
            {
                throw new ServerException(ErrorKind.InvalidRequest, $"input '{TensorNames.Image}': expected alone, "
                    + $"found together with '{other.Name}'");
            }
        }

        return true;
    }

    private InputTensor Require(string name)
        => Buffers.Find(name) ?? throw new ServerException(ErrorKind.InvalidRequest,
            $"input '{name}': expected '{TensorNames.Features}' and '{TensorNames.Grids}'"
            + $"{(shape.HasEncoder ? $", or '{TensorNames.Image}'" : "")}, found no such input");

    private IReadOnlyList<ReadOnlyMemory<byte>> ReadPictures()
    {
        IReadOnlyList<ReadOnlyMemory<byte>> pictures = Require(TensorNames.Image).Strings;
        for (int index = 0; index < pictures.Count; index++)
        {
            if (pictures[index].IsEmpty)
            {
                throw new ServerException(ErrorKind.InvalidRequest, $"input '{TensorNames.Image}', element {index}: "
                    + "expected the bytes of an encoded picture, found none");
            }
        }

        return pictures;
    }

    private void ReserveAnswer(int groupCount, bool wantsGate)
    {
        Int128 tokenCount = (Int128)groupCount * shape.TokenCount * shape.TokenWidth;
        Int128 gateCount = wantsGate ? (Int128)groupCount * shape.TokenCount * shape.ScopeCount * shape.GateGroupCount
            : 0;
        if (Int128.Max(tokenCount, gateCount) > int.MaxValue / sizeof(float))
        {
            throw new ServerException(ErrorKind.TooLarge, $"expected an answer of at most {int.MaxValue} bytes, found "
                + $"{groupCount} images with {tokenCount} values of tokens and {gateCount} of the gate; send them in "
                + "several requests");
        }

        memory.Grow(PooledArrays.BytesOf((long)tokenCount, sizeof(float)));
        memory.Grow(PooledArrays.BytesOf((long)gateCount, sizeof(float)));
    }
}
