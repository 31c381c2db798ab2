using System.Buffers;

namespace MsResampler.Server.Models;

/// <summary>What a model is made of that tests replace.</summary>
internal sealed record ModelParts
{
    /// <summary>The backend; null for that of the settings.</summary>
    public Backend? Backend { get; init; }

    /// <summary>The pool of features and answers.</summary>
    public ArrayPool<float> Pool { get; init; } = ArrayPool<float>.Shared;

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
