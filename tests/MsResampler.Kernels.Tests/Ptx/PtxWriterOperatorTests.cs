using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>Operators on numbers and powers of two, and operands that the writer refuses.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class PtxWriterOperatorTests
{
    [Test]
    public void Numbers_are_combined_when_a_kernel_is_written()
    {
        U32 seven = 7;
        U32 three = 3;
        U32 minusOne = -1;

        Assert.That(new[] { seven + three, seven - three, seven * three, seven / three }
            .Select(value => value.ToString()), Is.EqualTo(new[] { "10", "4", "21", "2" }));
        Assert.That(new[] { seven % three, seven & three, seven ^ three }
            .Select(value => value.ToString()), Is.EqualTo(new[] { "1", "3", "4" }));
        Assert.That(new[] { minusOne, minusOne / 2, minusOne % 10, minusOne + 2, three - seven, minusOne * 2 }
            .Select(value => value.Value), Is.EqualTo(new uint[]
            {
                uint.MaxValue, uint.MaxValue / 2, uint.MaxValue % 10, 1, uint.MaxValue - 3, uint.MaxValue - 1,
            }), "as unsigned integers of 32 bits");
        Assert.That((seven.IsNumber, (seven + three).IsNumber), Is.EqualTo((true, true)));
    }

    [Test]
    public void Powers_of_two_become_shifts_and_masks()
    {
        Assert.That(WrittenText.Instructions(writer =>
        {
            U32 x = writer.Thread;
            _ = x * 8;
            _ = 16 * x;
            _ = x / 8;
            _ = x % 8;
            _ = x % 1;
            _ = x / int.MinValue;
        }), Is.EqualTo(new[]
        {
            "mov.u32 %r0, %tid.x;", "shl.b32 %r1, %r0, 3;", "shl.b32 %r2, %r0, 4;", "shr.u32 %r3, %r0, 3;",
            "and.b32 %r4, %r0, 7;", "and.b32 %r5, %r0, 0;", "shr.u32 %r6, %r0, 31;",
        }));
    }

    [Test]
    public void A_number_that_is_divided_by_a_register_is_divided_on_the_device()
    {
        Assert.That(WrittenText.Instructions(writer =>
        {
            U32 x = writer.Thread;
            _ = 8 / x;
            _ = 8 % x;
            _ = 7 * x;
        }), Is.EqualTo(new[]
        {
            "mov.u32 %r0, %tid.x;", "div.u32 %r1, 8, %r0;", "rem.u32 %r2, 8, %r0;", "mul.lo.u32 %r3, %r0, 7;",
        }));
    }

    [Test]
    public void What_changes_nothing_needs_no_instruction()
    {
        PtxWriter writer = WrittenText.Writer();
        U32 x = writer.Thread;
        U64 address = writer.Addresses(1)[0];

        Assert.That(new[] { x + 0, 0 + x, x * 1, 1 * x, x / 1 }.Select(value => value.ToString()),
            Is.All.EqualTo("%r0"));
        Assert.That(address + 0, Is.EqualTo(address));
        Assert.That(!!(x < 3), Is.EqualTo(new Predicate(writer, 0)));
        Assert.That(WrittenText.Instructions(writer), Has.Length.EqualTo(2));
    }

    [Test]
    public void Division_by_zero_is_an_error_when_a_kernel_is_written()
    {
        PtxWriter writer = WrittenText.Writer();
        U32 x = writer.Thread;

        Assert.That(() => x / 0, Throws.TypeOf<DivideByZeroException>().With.Message.EqualTo(
            "A kernel divides %r0 by the number 0; expected another divisor."));
        Assert.That(() => x % 0, Throws.TypeOf<DivideByZeroException>().With.Message.Contains("%r0"));
        Assert.That(() => (U32)5 / 0, Throws.TypeOf<DivideByZeroException>().With.Message.Contains("divides 5"));
        Assert.That(() => (U32)5 % 0, Throws.TypeOf<DivideByZeroException>().With.Message.Contains("divides 5"));
    }

    [Test]
    public void Operators_without_a_register_say_that_they_belong_in_the_host()
    {
        Assert.That(() => (U32)1 < 2, Throws.InvalidOperationException.With.Message.EqualTo(
            "A comparison of a kernel expects a register, found the numbers 1 and 2: compare them in C#."));
        Assert.That(() => ((U32)1).IsNot(2), Throws.InvalidOperationException);
        Assert.That(() => (F32)1 + 2.5f, Throws.InvalidOperationException.With.Message.EqualTo(
            "An operator of a kernel expects a register, found the numbers 1 and 2.5: combine them in C#."));
        Assert.That(() => (F32)1 < 2.5f, Throws.InvalidOperationException);
    }

    [Test]
    public void Registers_of_another_writer_are_refused()
    {
        PtxWriter one = WrittenText.Writer(name: "One");
        PtxWriter two = WrittenText.Writer(name: "Two");
        U32 x = one.Thread;
        U32 y = two.Thread;
        F32 f = one.FloatVariable(1);
        F32 g = two.FloatVariable(1);
        U64 a = one.Addresses(1)[0];
        U64 b = two.Addresses(1)[0];
        Predicate p = x < 3;
        Predicate q = y < 3;

        Assert.That(() => x + y, Throws.InvalidOperationException.With.Message.EqualTo(
            "One: expected a register of this kernel after 'add.u32 %r0,', found %r0 of the writer of Two."));
        foreach (Action mixed in new Action[]
        {
            () => _ = 5 - (x + y), () => one.Set(x, y), () => one.Set(y, x), () => _ = f * g, () => _ = a + b,
            () => one.Set(b, a), () => _ = p & q, () => _ = p | !q, () => _ = x < y, () => one.Select(q, x, 1),
            () => one.If(q, () => { }), () => one.SetFma(f, 1, 2, q), () => one.LoadGlobal(b),
            () => one.StoreGlobal(a, 0, [f, f, f, g]), () => one.StartCopy(x, 0, b, 16), () => one.MaxGlobal(a, y),
            () => one.MultiplyMatrices(MatrixType.Float16, [f, f, f, f], a, b, null),
            () => one.MultiplyMatrices(MatrixType.Float16, [f, f, f, f], a, a, q), () => one.Repeat(() => q),
        })
        {
            Assert.That(mixed, Throws.InvalidOperationException.With.Message.Contains("found").And.Message
                .Contains("of the writer of"));
        }
    }

    [Test]
    public void A_value_that_was_never_computed_is_refused()
    {
        PtxWriter writer = WrittenText.Writer();

        Assert.That(() => writer.Set(writer.Addresses(1)[0], default), Throws.InvalidOperationException.With.Message
            .EqualTo("Written: expected a register after 'mov.b64 %rd0,', found a value that no method of the writer " +
                "returned."));
        Assert.That(() => writer.If(default, () => { }), Throws.InvalidOperationException);
    }

    [Test]
    public void A_number_cannot_be_changed()
    {
        PtxWriter writer = WrittenText.Writer();
        U64 address = writer.Addresses(1)[0];

        Assert.That(() => writer.Set(5, writer.Thread), Throws.InvalidOperationException.With.Message.EqualTo(
            "Written: expected a register after 'mov.b32', found the number 5."));
        Assert.That(() => writer.Set(1.5f, writer.FloatVariable(0)), Throws.InvalidOperationException);
        Assert.That(() => writer.SetFma(1.5f, 1, 2), Throws.InvalidOperationException);
        Assert.That(() => writer.SetMaxOrNaN(1.5f, 1), Throws.InvalidOperationException);
        Assert.That(() => writer.LoadGlobal(1.5f, address), Throws.InvalidOperationException);
        Assert.That(() => writer.LoadGlobal([1, 2, 3, 4], address, 0), Throws.InvalidOperationException);
    }

    [TestCase(0)]
    [TestCase(3)]
    [TestCase(6)]
    [TestCase(132)]
    public void Products_have_sums_for_whole_groups_of_columns(int count)
    {
        PtxWriter writer = WrittenText.Writer();
        U64 descriptor = writer.Addresses(1)[0];

        Assert.That(() => writer.MultiplyMatrices(MatrixType.Float16, writer.Floats(count), descriptor, descriptor,
            null), Throws.ArgumentException.With.Message.StartsWith("Written: wgmma.mma_async has sums of a " +
                $"multiple of 8 columns up to 256; expected half as many registers, found {count}."));
    }

    [Test]
    public void A_field_is_loaded_by_its_name_and_type()
    {
        PtxWriter writer = WrittenText.Writer();
        PtxStructure fields = writer.Structure<GemmScaling>("fields");

        Assert.That(() => fields.Integer("Missing"), Throws.TypeOf<NotSupportedException>().With.Message.EqualTo(
            "Written, parameter fields: expected a field Missing of type Int32 in GemmScaling, found none."));
        Assert.That(() => fields.Float(nameof(GemmScaling.Width)), Throws.TypeOf<NotSupportedException>().With.Message
            .EqualTo("Written, parameter fields: expected a field Width of type Single in GemmScaling, found Int32."));
        Assert.That(() => writer.Structure<(int, long)>("wide"), Throws.TypeOf<NotSupportedException>().With.Message
            .EqualTo("Written, parameter wide: expected fields of the types Int32 and Single in ValueTuple`2, found " +
                "Item2 of type Int64."));
    }
}
