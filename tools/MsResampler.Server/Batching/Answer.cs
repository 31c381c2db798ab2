using System.Buffers;
using MsResampler.Server.Models;

namespace MsResampler.Server.Batching;

/// <summary>The memory of an answer: tokens and, if they were asked for, gate weights.</summary>
internal sealed class Answer : IDisposable
{
    private readonly PooledFloats _tokens;
    private readonly PooledFloats? _gate;

    /// <param name="pool">The pool of the arrays.</param>
    /// <param name="tokenLength">The number of values of all tokens.</param>
    /// <param name="gateLength">The number of gate weights; 0 if they were not asked for.</param>
    public Answer(ArrayPool<float> pool, int tokenLength, int gateLength)
    {
        _tokens = new PooledFloats(pool, tokenLength);
        try
        {
            _gate = gateLength == 0 ? null : new PooledFloats(pool, gateLength);
        }
        catch
        {
            _tokens.Dispose();
            throw;
        }
    }

    /// <summary>The tokens, [B, M, L].</summary>
    public Memory<float> Tokens => _tokens.Memory;

    /// <summary>The gate weights, [B, M, S, R]; empty if they were not asked for.</summary>
    public Memory<float> Gate => _gate?.Memory ?? default;

    /// <summary>Hands the memory over.</summary>
    public InferenceResult ToResult(int groupCount) => new()
    {
        Tokens = Tokens,
        Gate = Gate,
        GroupCount = groupCount,
        Buffers = this,
    };

    public void Dispose()
    {
        _tokens.Dispose();
        _gate?.Dispose();
    }
}
