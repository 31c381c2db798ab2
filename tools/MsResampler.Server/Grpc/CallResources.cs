using MsResampler.Server.Limits;

namespace MsResampler.Server.Grpc;

/// <summary>What a gRPC call holds until its answer has been serialised: the memory of its messages, its request and
/// its result. It is a feature of the call's HTTP context, and is disposed after the handler of the library has
/// ended.</summary>
/// <remarks>The library keeps the request's message as long, so that its memory cannot be freed earlier.</remarks>
internal sealed class CallResources(MemoryBudget budget) : IDisposable
{
    private readonly Stack<IDisposable> _kept = [];

    /// <summary>What the call has reserved.</summary>
    public MemoryLease Memory { get; } = budget.Open();

    /// <summary>Disposes a resource with the call; the last one first.</summary>
    public T Keep<T>(T resource)
        where T : IDisposable
    {
        _kept.Push(resource);
        return resource;
    }

    public void Dispose()
    {
        while (_kept.TryPop(out IDisposable? resource))
            resource.Dispose();
        Memory.Dispose();
    }
}
