using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>A stored matrix of integers with the scale of each of its rows.</summary>
/// <param name="Tensor">The integers, [rows, columns].</param>
/// <param name="Type">The type of the integers.</param>
/// <param name="Scales">The scales, [rows]; a weight is its integer times the scale.</param>
internal readonly record struct IntegerTensor(TensorInfo Tensor, IntegerType Type, float[] Scales)
{
    /// <summary>The number of columns, which is that of the terms of a product.</summary>
    public int Columns => (int)Tensor.Shape[1];

    /// <summary>The largest absolute value that an integer may have.</summary>
    public int MaxLevel => Type.MaxLevel(Columns);
}
