namespace MsResampler.Cpu.Integer;

/// <summary>The instructions of an instruction set that multiply activations by weights of one type.</summary>
/// <typeparam name="TOperand">A vector of weights or of activations: one step per column.</typeparam>
/// <typeparam name="TSum">The sums of the columns of a vector.</typeparam>
internal unsafe interface IIntegerProduct<TOperand, TSum>
    where TOperand : struct
    where TSum : struct
{
    /// <summary>Columns of a vector.</summary>
    static abstract int Width { get; }

    /// <summary>Bytes of weights that <see cref="Load"/> reads.</summary>
    static abstract int VectorBytes { get; }

    /// <summary>Loads a step of weights of <see cref="Width"/> columns.</summary>
    static abstract TOperand Load(byte* weights);

    /// <summary>Repeats a step of activations for every column.</summary>
    static abstract TOperand Broadcast(int* step);

    /// <summary>Adds the products of a step.</summary>
    static abstract TSum Add(TSum sum, TOperand activations, TOperand weights);

    /// <summary>Stores <see cref="Width"/> sums.</summary>
    static abstract void Store(int* destination, TSum sum);
}
