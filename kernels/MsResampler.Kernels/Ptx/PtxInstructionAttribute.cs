namespace MsResampler.Kernels.Ptx;

/// <summary>The PTX instruction that a method stands for: the opcode, then its operands.
/// <list type="bullet">
/// <item><c>=</c> the result, <c>0</c> the first argument; a structure is a vector operand.</item>
/// <item><c>g0</c> a reference as an address in global memory, <c>s0</c> in shared memory.</item>
/// <item><c>{2,3}</c> two arguments, <c>{=}</c> a single result, as a vector operand.</item>
/// <item><c>[0]</c> the memory at an address, <c>[0+1]</c> as many bytes after it as the second argument says, which
/// must be a constant.</item>
/// <item><c>#0</c> the first argument, which must be a constant; <c>'16</c> the number 16.</item>
/// </list></summary>
/// <param name="template">The instruction.</param>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PtxInstructionAttribute(string template) : Attribute
{
    /// <summary>The instruction.</summary>
    public string Template => template;

    /// <summary>The oldest architecture that has it, such as 80 for sm_80.</summary>
    public int MinArchitecture { get; init; }

    /// <summary>The OpenCL function that does the same, if there is one.</summary>
    public string? OpenCl { get; init; }
}
